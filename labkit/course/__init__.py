"""The course: what turns a notebook into a lesson that answers.

For whoever writes a notebook, the whole interface (ids are short and hyphenated; everything displays itself when it is
the last line of a cell, works without widgets, and raises LabError with advice for wrong use):

    predict("epoch-time", question="How long does one epoch take?", unit="s")         # a form; kept in the ledger
    predict("epoch-time", 12)                                                         # the same answer, typed
    predict("more", question="Which moves more?", choices=("weights", "activations")) # a choice instead of a number
    predict("epoch-time", skip=True)                                                  # marked as skipped
    reveal("epoch-time", measured=9.3, modelled=8.8)                                  # one picture, factors named
    reveal("memory", modelled=61e6, claimed=93e6, unit="bytes", source="the paper, table 2")
    ledger()                                                                          # every prediction so far

    exercise("conv-output-size")               # what is asked
    hint("conv-output-size")                   # hints, folded one inside the other; hint(id, 2) opens two
    check("conv-output-size", output_size)     # four parts; the function itself, not its result
    solution("conv-output-size")               # after an attempt, or with anyway=True
    quiz("01"); quiz("01", 3, "b")             # five questions; answering one of them

A stub raises NotImplementedError or is (or returns) `...`; a check of a stub says "not attempted". Units that convert:
ns us ms s min h; bytes kB MB GB KiB MiB GiB; bytes/s MB/s GB/s; MAC "million MAC"; "" thousand million; % ; any other
unit ("samples") stands for itself.

Exercises and quizzes are values in `labkit.course.bank`, one file each; a new file there is found by itself. The rules
that a notebook's source has to follow are in `labkit.course.structure`, the editions made from it in
`labkit.course.release` (`python -m labkit.course.release build` writes `notebooks/*.ipynb`). Tests and graders read the
verdicts with `record()`, or from the file that LABKIT_CHECK_LOG names; LABKIT_LEDGER moves the ledger. Plans that a
learner makes are kept beside it: `keep_plan(plan, "my-plan")` and `kept_plan("my-plan")` of `labkit.course.plans`.
"""

from labkit.course.bank import exercise
from labkit.course.checks import check, record
from labkit.course.hints import hint, solution
from labkit.course.predictions import ledger, predict
from labkit.course.quizzes import quiz
from labkit.course.reveals import reveal

__all__ = ["check", "exercise", "hint", "ledger", "predict", "quiz", "record", "reveal", "solution"]
