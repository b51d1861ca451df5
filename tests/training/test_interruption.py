"""Signals."""

import contextlib
import signal

import pytest

from keras_refs.training import interruption


def test_a_signal_that_was_raised_and_lost_ends_the_training_that_follows():
    with interruption.raised_as_exceptions():
        # As an import or a destructor may catch it.
        with contextlib.suppress(interruption.Interrupted):
            signal.raise_signal(signal.SIGTERM)
        with pytest.raises(interruption.Interrupted, match="SIGTERM"), interruption.collected():
            pytest.fail("the training began")
    with interruption.collected() as received:
        signal.raise_signal(signal.SIGINT)
    assert received == [signal.SIGINT]
