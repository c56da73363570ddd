"""Lane: a thread for one kind of groups, the group that it runs, and the jobs that wait for it."""

from concurrent.futures import ThreadPoolExecutor

from service.engine.job import Job, Waiting

_STUCK_S, _STUCK_FACTOR = 60.0, 20.0  # no group runs longer, nor longer than so many times its estimate


class Lane:
    def __init__(self, name: str) -> None:
        self.thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
        self.waiting: Waiting = {}
        self.group: list[Job] = []
        self.patience_s = _STUCK_S
        self._began = 0.0

    def begin(self, group: list[Job], now: float) -> None:
        self.group = group
        self._began = now
        self.patience_s = max(_STUCK_S, _STUCK_FACTOR * sum(job.cost_s for job in group))

    def runs_for_s(self, now: float) -> float:
        return now - self._began if self.group else 0.0
