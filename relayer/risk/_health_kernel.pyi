"""Types of the compiled kernel."""

def screen_into(quanta: memoryview, factors: memoryview, margin: int, is_near: memoryview) -> None:
    """Set is_near[row] to whether sum(quanta[row, column] * factors[column]) < margin."""
