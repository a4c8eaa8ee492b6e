"""All rows of a database, to hold one moment against another."""

import hashlib
import sqlite3

from tests.databases import path_of


def database_image(url: str) -> str:
    """Return a digest of every row of every table of an SQLite database."""
    found = hashlib.sha256()
    link = sqlite3.connect(path_of(url))
    try:
        tables = link.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        for (name,) in tables.fetchall():
            found.update(name.encode())
            for row in sorted(map(repr, link.execute(f'SELECT * FROM "{name}"'))):
                found.update(row.encode())
    finally:
        link.close()
    return found.hexdigest()
