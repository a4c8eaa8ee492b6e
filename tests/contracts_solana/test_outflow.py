"""The outflow window of the program against a plain model that keeps every outflow."""

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from chains.message import MessageKind
from chains.solana.vault_errors import VaultProgramError as E
from chains.solana.vault_instructions import CAPACITY as CAPACITY_KEY
from chains.solana.vault_instructions import WINDOW
from tests.contracts_solana.runtime import BEGIN_SECONDS, RefusedError
from tests.contracts_solana.world import CAPACITY, LIMITS, World, open_world

BUCKETS = 24


@dataclass(slots=True)
class Model:
    """Outflows by the bucket they left in; one counts until its whole bucket is a window old."""

    capacity: int = CAPACITY
    window_seconds: int = LIMITS.listing_window_seconds
    outflows: list[tuple[int, int]] = field(default_factory=list)  # bucket, units

    @property
    def bucket_seconds(self) -> int:
        """Return the width of a bucket."""
        return -(-self.window_seconds // BUCKETS)

    def used(self, now: int) -> int:
        """Return what counts at a second."""
        oldest = max(0, now - self.window_seconds) // self.bucket_seconds
        return sum(units for bucket, units in self.outflows if bucket >= oldest)

    def verdict(self, units: int, now: int) -> E | None:
        """Return why an outflow is refused, None where it is not."""
        if self.capacity == 0:
            return E.TOKEN_NOT_LISTED
        if units > self.capacity:
            return E.ABOVE_CAPACITY
        if units > max(0, self.capacity - self.used(now)):
            return E.OUTFLOW_LIMITED
        self.outflows.append((now // self.bucket_seconds, units))
        return None

    def set_window(self, seconds: int, now: int) -> None:
        """Count again at this second what still counts."""
        carried = self.used(now)
        self.window_seconds = seconds
        self.outflows = [(now // self.bucket_seconds, carried)]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("pay"), st.integers(1, CAPACITY + 1)),
        st.tuples(st.just("wait"), st.integers(0, 60_000)),
        st.tuples(st.just("window"), st.integers(1, 60_000)),
        st.tuples(st.just("capacity"), st.integers(0, 2 * CAPACITY)),
    ),
    min_size=1,
    max_size=12,
)


def filled_world(now: int) -> World:
    """Return a vault with more in it than any run takes out."""
    world = open_world()
    world.runtime.set_time(now)
    for _ in range(2):
        world.lock(5 * CAPACITY)
    return world


@settings(max_examples=60)
@given(steps=STEPS, begin=st.sampled_from((0, 1_000, 23_999, BEGIN_SECONDS)))
def test_r15_the_window_lets_out_what_the_model_lets_out(
    steps: list[tuple[str, int]], begin: int
) -> None:
    """Payment by payment, over waits, new windows and new capacities."""
    world, model, now = filled_world(begin), Model(), begin
    model.set_window(model.window_seconds, BEGIN_SECONDS)
    asset_key = world.at.asset(world.token.mint)
    content = world.runtime.content(asset_key)
    newest = (begin // model.bucket_seconds).to_bytes(8, "little")
    world.runtime.tamper(asset_key, content[:160] + newest + content[168:])

    for name, number in steps:
        if name == "wait":
            now += number
            world.runtime.set_time(now)
        elif name == "pay":
            message = world.message(MessageKind.RELEASE, amount_units=number)
            code = None
            try:
                world.execute(message)
            except RefusedError as refusal:
                code = refusal.code
            assert code is model.verdict(number, now), (name, number, now)
        elif name == "window":
            world.execute(
                world.message(MessageKind.PARAMETER, recipient=WINDOW, amount_units=number)
            )
            model.set_window(number, now)
        else:
            world.execute(
                world.message(MessageKind.PARAMETER, recipient=CAPACITY_KEY, amount_units=number)
            )
            model.capacity = number
