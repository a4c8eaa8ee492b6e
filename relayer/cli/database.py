"""Commands about the database's schema."""

import typer

from relayer.cli.answer import (
    Answer,
    ConfigOption,
    JsonOption,
    YesOption,
    answer,
    confirm,
    opened_store,
    opened_store_unchecked,
)

app = typer.Typer(help="The database's schema.", no_args_is_help=True, rich_markup_mode=None)


@app.command()
def upgrade(
    *, config: ConfigOption = None, as_json: JsonOption = False, yes: YesOption = False
) -> None:
    """Bring the database to the schema of this code; safe to run twice."""

    def make() -> Answer:
        from relayer.cli.render import plain

        with opened_store_unchecked(config) as (_, store):
            before = store.schema_version()
            confirm(yes, f"migrates the database from {before} to the newest schema")
            store.upgrade()
            after = store.schema_version()
        word = "was there already" if before == after else "done"
        return Answer(
            value={"before": before, "after": after},
            shown=(plain(f"database: {before} -> {after}: {word}"),),
        )

    answer(make, as_json=as_json)


@app.command()
def check(*, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Say whether the database is at the schema of this code."""

    def make() -> Answer:
        from relayer.cli.render import plain

        with opened_store(config) as (_, store):
            version = store.schema_version()
        return Answer(
            value={"ok": True, "version": version},
            shown=(plain(f"database: at migration {version}, as this code needs"),),
        )

    answer(make, as_json=as_json)
