"""What a run writes down as it goes."""

import json
from pathlib import Path

from training.learning.journal import Journal


def test_tensorboard_gets_every_figure(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    journal = Journal(tmp_path / "log.jsonl", tensorboard=True)
    journal.write("networks", "train", 7, loss=1.5)
    journal.close()
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    [event] = events.Scalars("networks/train/loss")
    assert (event.step, event.value) == (7, 1.5)
    assert json.loads((tmp_path / "log.jsonl").read_text())["loss"] == 1.5
