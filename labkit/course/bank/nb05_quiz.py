"""The self-quiz of notebook 05."""

from labkit.course.quizzes import Choice, Question, Quiz

QUIZ = Quiz(
    "05",
    (
        Question(
            "A loop has 10 instructions, one of them a multiply-add. How much of the FP32 peak can it reach?",
            (
                Choice("At most 10 %", "Every instruction takes a slot, and one in ten does the work."),
                Choice("Exactly 10 %", "That is the bound; waiting, barriers and idle SMs come on top."),
                Choice("All, with enough threads", "More threads hide waiting. They do not take instructions away."),
            ),
            "a",
        ),
        Question(
            "Why did unchecked indices take three quarters of the instructions away?",
            (
                Choice("The GPU no longer checks for errors", "It never did. Nobody complains about a bad index."),
                Choice("Shared memory is now used better", "The copy of the filter is the same as before."),
                Choice("Python's x[-1] needs no code now", "Each index was compared with 0 and mended where negative."),
            ),
            "c",
        ),
        Question(
            "A kernel's issue bound is 50 %, its load bound 12.5 %. What should be changed first?",
            (
                Choice("Fewer instructions of any kind", "The issue bound is not what stops it."),
                Choice("More products per loaded value", "The smaller bound is the roof, and that is the loads."),
                Choice("A smaller block of threads", "That changes who waits for whom, but no count in the loop."),
            ),
            "b",
        ),
        Question(
            "A thread keeps 8 x 8 sums. How many products for each value that it reads from shared memory?",
            (
                Choice("64 of them", "64 products for 8 + 8 values."),
                Choice("8 of them", "That would be so if only one side had to be read."),
                Choice("4 of them", "64 products for 16 values."),
            ),
            "c",
        ),
        Question(
            "Rung 5 has more instructions per FMA than rung 4. Why is it on the ladder?",
            (
                Choice("It does not wait for its copies", "A chunk arrives while another one is multiplied."),
                Choice("It needs fewer registers", "It needs as many, and twice the shared memory."),
                Choice("It gives more exact results", "All rungs add in float32; they agree up to rounding."),
            ),
            "a",
        ),
    ),
)
