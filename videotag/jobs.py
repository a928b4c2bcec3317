"""A stage's run over the videos that are due for it, and the job that each of them is.

What the scripts that make results do alike: what is due and why, the marks of --force, the claim, a result in data/
that is taken over, unfinished work that is gone on with, and the result published with the mark of completion.
"""

import argparse
import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, Self, TypeVar

from videotag import artifacts, claims, content, stages
from videotag.claims import Claim, Held, Intent, Records
from videotag.cli import Report, say
from videotag.errors import EngineError, UserError, did_you_mean
from videotag.options import Family, named_options, options_of
from videotag.results import Settings
from videotag.stages import Record, Stage

log = logging.getLogger("videotag")


class Described(Protocol):
    """What is asked of an engine here."""

    description: str


Engine = TypeVar("Engine", bound=Described)
Work = TypeVar("Work")
_VERSION = "stage_version"  # in the header of a `.part` file; older ones have none


def chosen(names: list[str], only: list[str] | None) -> list[str]:
    """The videos that are asked for by --only, in order; raises UserError for a name that is not there."""
    wanted, known = set(only or ()), set(names)
    for name in only or ():
        if name not in known:
            raise UserError(f"--only {name}: no such video{did_you_mean(name, names)}")
    return [name for name in names if name in wanted] if only else names


def mark_due(
    records: Records, stage: Stage, finished: Iterable[Record], reason: str | None, wanted: str | None = None
) -> None:
    """Make finished work due again, for all these records at once. `wanted`: the settings of a --force, as JSON."""
    fields = stage.fields(status="pending", reason=reason, wanted=wanted)
    if changes := {record["video_name"]: {"video_path": record["video_path"], **fields} for record in finished}:
        records.create_or_update_video_files(changes)


@dataclass
class Run:
    """One start of a stage's script.

    Attributes:
        db: the `ChromaDBManager`.
        args: those of `cli.parser`.
        named: the settings that the user named, which make another result.
        options: the settings by which unfinished work is told apart, and the options that name them, the weightiest
            first.
        more_fields: what a result adds to the video's record beside what all stages do.
    """

    db: Records
    stage: Stage
    args: argparse.Namespace
    report: Report
    named: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    more_fields: Callable[[Any], dict[str, Any]] = lambda result: {}

    def why_due(self, record: Record) -> str | None:
        """Why the stage is due by a video's record, or None."""
        made_by = json.loads(record.get(self.stage.field("made_by"), "{}"))
        return stages.due(self.stage, record, self.named, made_by, self.args.force)

    def due(self, why: Callable[[Record], str | None], finished_too: bool) -> list[Record]:
        """The records of the videos that are due; of the others the report says why not.

        Asks the database for those that are unfinished: reading all of 10,000 records takes seconds.

        `finished_too`: look at the finished ones as well, though neither --force nor the status says so.
        """
        needed = stages.inputs_of(self.stage, needed_only=True)
        ready = {other.field("status"): "completed" for other in needed}
        # Not "completed", rather than "pending": a record that is older than the stage has no status of it.
        finished = {} if finished_too or self.args.force else {self.stage.field("status"): "completed"}
        asked = {"video_name": self.args.only} if self.args.only else {}
        with self.db.session():
            names = self.db.video_names(asked)
            if len(names) < len(set(self.args.only or ())):
                names = self.db.video_names()
            candidates = self.db.list_videos(ready | asked, without=finished)
            lacking = {
                name: f"{other.key} is not completed"
                for other in needed
                for name in self.db.video_names(asked, without={other.field("status"): "completed"})
            }
        if not names and (lost := artifacts.unknown_results(self.args.data_dir, ())):
            folder = self.args.data_dir
            say(f"{folder} has results of {len(lost)} videos, the database of none: phase 1 takes them over")
        names = chosen(names, self.args.only)
        # By the names in the records: one that is stored under another id is told, not passed over.
        only = set(self.args.only or ())
        asked_for = [record for record in candidates if not only or record["video_name"] in only]
        reasons = {record["video_name"]: reason for record in asked_for if (reason := why(record))}
        self.tell(dict.fromkeys([*names, *reasons]), reasons, lacking)
        return [] if self.args.dry_run else [record for record in asked_for if record["video_name"] in reasons]

    def tell(self, names: Iterable[str], reasons: Mapping[str, str], lacking: Mapping[str, str]) -> None:
        """Tell the report which videos are left alone; a dry run says of the others why they would be done."""
        for name in names:
            if name not in reasons:
                self.report.skip(name, lacking.get(name, "done before"))
            elif self.args.dry_run:
                say(f"{name}: would run: {reasons[name]}")
                self.report.skip(name, "dry run")

    def mark(self, due: Iterable[Record], engine: Callable[[], object]) -> None:
        """Write into the records of finished work that --force wants it again.

        However the run ends then, by kill -9 too, the next one with these settings and without --force does the rest of
        it and nothing else. One with other settings leaves what was not begun as it was.

        Args:
            due: the records as they were when the run began; what another worker has finished since is not marked.
            engine: gives the engine: one that cannot be had is told before a record says that finished work is due.
        """
        seen = {record["video_name"]: record for record in due if self.stage.status(record) == "completed"}
        if seen:
            engine()
        if not self.args.force:
            return
        if seen:
            with self.db.session():
                done = self.db.list_videos({"video_name": list(seen), self.stage.field("status"): "completed"})
                left = [r for r in done if not stages.done_since(self.stage, seen[r["video_name"]], r)]
                mark_due(self.db, self.stage, left, stages.FORCED[0], wanted=stages.as_json(self.named))
        self.report.marked = True

    @contextmanager
    def claimed(self, video_name: str, intent: Intent, made_of: dict[str, Any] | None = None) -> Iterator["Job"]:
        """Take a video for this process while the block runs; raises as `claims.claim`.

        `made_of`: what a stage without inputs is made of, as its result holds it.
        """
        with claims.claim(self.db, self.args.data_dir, self.stage, video_name, intent) as claim:
            job = Job(self, claim, made_of or {"input": stages.input_of(self.stage, claim.record)})
            yield job
        if job.completed:
            self.report.done.append(video_name)


class Job:
    """A video in hand: its claim, the file of its result, and what that is made of.

    `made_of`: keys of the result and of the `.part` file's header that say what the work is on.
    """

    def __init__(self, run: Run, claim: Claim, made_of: dict[str, Any]) -> None:
        self.claim = claim
        self.video_name = claim.video_name
        self.made_of = made_of
        self.path = artifacts.path_of(run.stage, run.args.data_dir, claim.video_name)
        self.completed = False
        self._run, self._stage = run, run.stage
        self._version = run.stage.version  # the oldest of those that made a part of the result

    def taken_over(self) -> Any:
        """The result in data/, marked completed, if it was made of the same and as is asked for now; else None."""
        say(f"{self.video_name}: {self.claim.reason}")
        artifacts.sweep(self.path)
        if self.claim.forced:
            return None
        found = artifacts.read(self._stage, self.path)
        if found is None or not self._is_on_the_same(found):
            return None
        if stages.changed_setting(self._run.named, found["made_by"]):
            return None
        other = self._unfinished()
        if other is None or _unstamped(other).items() <= self._header(found["made_by"]).items():
            artifacts.drop_part(self.path)
        else:
            kept = artifacts.part_path(self.path)
            log.warning("%s: is kept: unfinished work under other settings; name them again to go on with it", kept)
        self._complete_with(found)
        say(f"{self.video_name}: taken over from {self.path}")
        return found

    def inputs(self) -> dict[str, Any]:
        """The results that this one is made of, by their stages' keys: the needed ones, and the others if there.

        Of one that is gone, or is another than the database speaks of, the stage is due again.

        Raises:
            UserError: that is a needed one; or one cannot be read.
            Held: that stage is being done again.
        """
        needed = stages.inputs_of(self._stage, needed_only=True)
        found: dict[str, dict[str, Any]] = {}
        for other in stages.inputs_of(self._stage):
            if other in needed or other.status(self.claim.record) == "completed":
                result, fault = self._result_of(other)
                if result is not None:
                    found[other.key] = result
                elif other in needed:
                    raise UserError(fault)
                else:
                    log.warning("%s; going on without it", fault)
        self.made_of = {"input": " ".join(result["result_id"] for result in found.values())}
        return found

    def part(self, settings: Settings, engine: Callable[[], object]) -> artifacts.Part:
        """Open the unfinished work, or begin it.

        Args:
            settings: under which it is made.
            engine: gives the engine: one that cannot be had is told before unfinished work is dropped.

        Raises:
            UserError: there is some that was begun with another setting, which nobody has named otherwise.
        """
        header = self._header(settings)
        if self._run.args.force:
            engine()
            artifacts.drop_part(self.path)
        else:
            self._refuse_to_drop(self._unfinished() or header, header)
            header = self._begun_before(header)
            if artifacts.part_header(self.path) not in (None, header):
                engine()
        return artifacts.Part(artifacts.part_path(self.path), header)

    def _begun_before(self, header: dict[str, Any]) -> dict[str, Any]:
        """The header as an older version wrote it, where that has begun the same work: it is gone on with."""
        begun = self._unfinished()
        if begun is None or _unstamped(begun) != _unstamped(header):
            return header
        self._version = min(begun.get(_VERSION, 1), self._version)
        if self._version < self._stage.version:
            script = self._stage.script
            log.warning("%s: goes on with what an older version began; %s --force begins anew", self.video_name, script)
        return begun

    def publish(self, result: Any) -> Any:
        """Write the result under its name and mark the stage completed, if nobody took over; the result."""
        result["version"] = self._version
        with artifacts.Draft(self.path, result) as draft:
            self._complete_with({**result, "result_id": draft.result_id}, draft)
        return result

    def complete(self, segments: int, draft: artifacts.Draft | None = None, **fields: Any) -> None:
        """Mark the stage completed, as `Claim.complete`, with what it was made of."""
        if self._stage.inputs:
            fields[self._stage.field("input")] = self.made_of["input"]
        fields.setdefault(self._stage.field("version"), self._stage.version)
        self.claim.complete(segments, draft, **fields)
        self.completed = True

    def _complete_with(self, result: dict[str, Any], draft: artifacts.Draft | None = None) -> None:
        """What follows is due again, unless the result is the one that it was made of."""
        made_by = json.dumps(result["made_by"], ensure_ascii=False)
        own = self._stage.fields(result=result["result_id"], made_by=made_by, version=result.get("version"))
        own |= self._run.more_fields(result)
        follows = stages.follow_up(self._stage, self.claim.record, result["result_id"], again=draft is not None)
        self.complete(len(result["segments"]), draft, **own, **follows)

    def _header(self, settings: Settings) -> dict[str, Any]:
        """What a `.part` file must have been made under to be gone on with."""
        # Settings first: an analyzer's own "input" (vLLM's kind of it) must not hide whose result the work is on.
        made_of = {key: value for key, value in self.made_of.items() if value is not None}
        stage = {"stage": self._stage.key, _VERSION: self._stage.version, "format": artifacts.FORMAT}
        return {**stage, **settings, **made_of}

    def _is_on_the_same(self, found: Mapping[str, Any]) -> bool:
        """Whether a result, or unfinished work (its header), is made of what this job's result is to be made of."""
        made_of: dict[str, Any] = dict(self.made_of)
        if source := made_of.pop("source", None):  # the same bytes under another time
            then = found.get("source")
            if not isinstance(then, dict) or not content.same(then, source):
                return False
        return all(found.get(key) == value for key, value in made_of.items())

    def _unfinished(self) -> dict[str, Any] | None:
        """The header of the `.part` file that is there, if it holds work on the same."""
        header = artifacts.part_header(self.path)
        return header if header and self._is_on_the_same(header) else None

    def _refuse_to_drop(self, begun: dict[str, Any], mine: dict[str, Any]) -> None:
        """Keep unfinished work (its header: `begun`) from a run that has merely left out what it was begun with."""
        options, named = self._run.options, self._run.named
        changed = next((setting for setting in options if begun.get(setting) != mine.get(setting)), None)
        if changed and changed not in named:  # a run that names it means it
            theirs, ours = (_naming(options[changed], header.get(changed)) for header in (begun, mine))
            remedy = f"name that to go on with it, or {ours} to begin anew"
            raise UserError(f"{artifacts.part_path(self.path)}: is unfinished work with {theirs}; {remedy}")

    def _result_of(self, made_of: Stage) -> tuple[dict[str, Any] | None, str]:
        """The result that the database speaks of; None and what is to be done if there is none."""
        path = artifacts.path_of(made_of, self._run.args.data_dir, self.video_name)
        found = artifacts.read(made_of, path)
        with self._run.db.session():
            record = self.claim.check()
            if found and found["result_id"] == record.get(made_of.field("result")):
                return found, ""
            if made_of.status(record) != "completed":
                raise Held(claims.describe_owner(made_of, record))
            again = made_of.fields(status="pending", reason="its result is missing")
            self._run.db.update_video_status(self.video_name, **again)
        fault = "is not what the database speaks of" if found else "is missing or damaged"
        return None, f"{path}: {fault}; run {made_of.script}, then this again"


class InHand(Generic[Work]):
    """The videos of a run that are in hand at once, as an engine takes what they are made of in one stream.

    A fault of one leaves the others alone: the report has it. What ends the block gives all back, with what is finished
    of each.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._works: dict[str, tuple[Work, ExitStack]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        for name in list(self._works):
            self._leave(name, error)

    def holds(self, video_name: str) -> bool:
        """Whether it is in hand still: it may have failed, or been lost to another worker."""
        return video_name in self._works

    def take(self, record: Record, begin: Callable[[Job, ExitStack], Work | None]) -> Work | None:
        """Claim a video and begin it; None if it cannot be, or if nothing is left to be done on it.

        Args:
            record: as it was when the run began.
            begin: gives the work, or None. What it enters into the stack is left with the claim.
        """
        name = record["video_name"]
        with self._run.report.outcome_of(name), ExitStack() as stack:
            job = stack.enter_context(self._run.claimed(name, Intent(self._run.why_due, record, named=self._run.named)))
            work = begin(job, stack)
            if work is not None:
                self._works[name] = work, stack.pop_all()
            return work
        return None

    def go_on(self, video_name: str, step: Callable[[Work], bool]) -> None:
        """Take a video a step further, if it is in hand; `step` tells whether that was the last one."""
        if not self.holds(video_name):
            return
        with self._run.report.outcome_of(video_name):
            try:
                ended = step(self._works[video_name][0])
            except Exception as error:
                self._leave(video_name, error)
                raise
            if ended:
                self._leave(video_name, None)

    def _leave(self, video_name: str, error: BaseException | None) -> None:
        """As failed with an error, given back when interrupted."""
        _, holds = self._works.pop(video_name)
        holds.__exit__(type(error) if error else None, error, None)


def built(kind: str, choice: tuple[str, str], run: Run, family: Family, build: Callable[[str, Any], Engine]) -> Engine:
    """The engine that was chosen (its name, and why), with the options that the user named; says what it is.

    `kind`: as the option is called that chooses one ("analyzer").

    Raises:
        EngineError: it cannot be had.
    """
    name, why = choice
    say(f"{kind}: {name} ({why})")
    options = options_of(kind, name, family, named_options(run.args, family))
    try:
        engine = build(name, options)
    except UserError as error:
        raise EngineError(str(error)) from error
    if engine.description:
        say(f"{name}: {engine.description}")
    return engine


def _unstamped(header: dict[str, Any]) -> dict[str, Any]:
    """What work on the same was begun under, whichever version of its stage began it."""
    return {key: value for key, value in header.items() if key not in (_VERSION, "source")}


def _naming(option: str, value: Any) -> str:
    """What to type on the command line for a setting."""
    if isinstance(value, bool):
        return option if value else f"--no-{option.removeprefix('--')}"
    return f"{option} {value}"
