"""Commands about the configuration file."""

import typer

from relayer.cli.answer import Answer, ConfigOption, JsonOption, answer, settings_of

app = typer.Typer(help="The configuration file.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def configuration() -> None:
    """Check the configuration file."""


@app.command()
def check(*, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List every mistake of the file, or show what it says without its secrets."""

    def make() -> Answer:
        from relayer.cli.render import plain, table_of
        from relayer.telemetry import plain_value

        settings = settings_of(config)
        chains = [
            (chain.chain_id, len(chain.vaults), len(chain.credit_lines), chain.start_height)
            for chain in settings.chains
        ]
        guardians = settings.guardians
        return Answer(
            value={"ok": True, "settings": plain_value(settings.model_dump(mode="json"))},
            shown=(
                plain(
                    f"{settings.hub} ({settings.profile}): the configuration is right; "
                    f"{guardians.threshold} of {len(guardians.members)} guardians attest"
                ),
                table_of("Chains", ("chain", "vaults", "credit lines", "start height"), chains),
                table_of(
                    "Assets",
                    ("asset", "scale", "tokens", "feeds", "sources at least"),
                    [
                        (a.asset_id, a.scale, len(a.tokens), len(a.feeds), a.sources_min)
                        for a in settings.assets
                    ],
                ),
            ),
        )

    answer(make, as_json=as_json)
