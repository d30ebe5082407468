"""The cyclic garbage collector, kept still while very many values are made."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def paused() -> Iterator[None]:
    """Keep the collector still: it would walk all movements of a file again and again.

    Nothing that is made of a file is a cycle, and the walks take a third of the time of a large
    one. What was made goes straight to the oldest generation, as it would after them: freezing
    and unfreezing moves it there without a walk (unless the program has frozen objects of its
    own). Within another pause it does nothing.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled and gc.get_freeze_count() == 0:
            gc.freeze()
            gc.unfreeze()
        if was_enabled:
            gc.enable()
