"""How a test logs until it sets up logging itself."""

import structlog


def reset_logs() -> None:
    """
    Log as by default, but show of an exception only its lines.

    The default shows every local of every frame: half a second of a processor each time.
    """
    structlog.reset_defaults()
    structlog.configure(
        processors=[
            *structlog.get_config()["processors"][:-1],
            structlog.dev.ConsoleRenderer(
                colors=False, exception_formatter=structlog.dev.plain_traceback
            ),
        ]
    )
