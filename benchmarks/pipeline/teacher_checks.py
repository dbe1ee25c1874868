"""Before the teacher is asked: what will be sent where, consent, and whether it answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.common.fields import ConfigError
from benchmarks.common.words import counted
from benchmarks.methods import TEACHER_ROW, base_name, load_method

if TYPE_CHECKING:
    from benchmarks.pipeline.pipeline import Pipeline


def texts_sent(pipeline: Pipeline) -> str:
    """Return in words which of a run's texts the teacher is asked with."""
    config, judged = pipeline.config, pipeline.config.filter.judge == "teacher"
    classes = [load_method(method) for method in config.methods]
    drawing = [m for m in classes if m.synthesizes and (judged or not m.keeps_responses)]
    drawn = len(drawing) * len(config.seeds) * config.draws
    texts = []
    if drawn:
        answers = " with responses" if judged and config.filter.judge_responses else ""
        texts.append(f"up to {drawn:,} drawn instructions{answers} (copies of references too)")
    if any(m.trains and not m.synthesizes for m in classes):
        texts.append(f"the instructions of {counted(len(pipeline.references), 'reference')}")
    if TEACHER_ROW in map(base_name, config.methods):
        tried = config.evaluate
        count = pipeline.problem_counts[tried.split]
        shown = f", each behind {counted(tried.shots, 'reference')}" if tried.shots else ""
        texts.append(f"{min(count, tried.limit or count):,} {tried.split} problems{shown}")
    return ", ".join(texts) or "no text"


def require_consent(pipeline: Pipeline) -> None:
    """Refuse to send texts to another machine where the run does not say that it may.

    Raises:
        ConfigError: the teacher is elsewhere, and teacher.consent is not true.
    """
    config = pipeline.config.teacher
    if pipeline.teacher is not None and config.is_elsewhere and not config.consent:
        raise ConfigError(
            f"teacher: {config.base_url} is not this machine, and this run would send there "
            f"{texts_sent(pipeline)}: add --teacher.consent true to allow it"
        )


def meet_teacher(pipeline: Pipeline) -> None:
    """Say what will be sent where, and ask the teacher one short question of no run.

    Raises:
        ConfigError: it cannot be loaded or reached, or answers nothing.
    """
    teacher, run = pipeline.teacher, pipeline.config
    if teacher is None:
        return
    config = teacher.config
    if config.is_elsewhere:
        pipeline.display.line(
            f"teacher {config.model} at {config.base_url} will be sent: {texts_sent(pipeline)}"
        )
    if config.is_server:
        served = (run.openai.base_url, run.openai.model)
        is_backbone = run.engine == "openai" and served == (config.base_url, config.model)
    else:
        is_backbone = teacher.digest == pipeline.model_digest
    if is_backbone:
        pipeline.display.line(
            f"the teacher is the backbone itself ({run.backbone}): it answers as with --responder "
            "plain"
        )
    teacher.check(run.response_sampling)
