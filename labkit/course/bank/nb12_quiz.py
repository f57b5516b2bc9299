"""The self-quiz of notebook 12."""

from labkit.course.quizzes import Choice, Question, Quiz

QUIZ = Quiz(
    "12",
    (
        Question(
            "Plan A sends 80, plan B 160. Which one is better?",
            (
                Choice("A, which sends half as much", "Everything in one part sends 0. What did A pay with?"),
                Choice(
                    "B, since it divides more", "It may be better if its parts are more even. Volumes do not say so."
                ),
                Choice("Nobody can say", "A volume needs the loads it was bought with, the largest and the least."),
            ),
            "c",
        ),
        Question(
            "Why does dividing every layer evenly among all parts send most?",
            (
                Choice(
                    "Every map is needed in every part",
                    "The filters that read it are everywhere.",
                ),
                Choice("Loads are too even", "Evenness costs nothing by itself; it is who reads what that costs."),
                Choice("Weights have to be sent, as well as maps", "Weights stay with their owner. Only maps travel."),
            ),
            "a",
        ),
        Question(
            "The batch is doubled. What happens to the bytes of an epoch?",
            (
                Choice("Both halve, like the steps", "A plan sends maps for every sample, however they are grouped."),
                Choice("Data parallelism's halve", "Half as many steps, each with the same gradients."),
                Choice("The plan's double", "Per step they do. An epoch has half as many steps."),
            ),
            "b",
        ),
        Question(
            "Two tables of one thesis have the volume of a plan as 372 and 298. What do you check first?",
            (
                Choice("Whether both count the same", "Measure, unit, batch, passes: only then is one of them better."),
                Choice("Whether one of them was rounded", "Rounding does not make a difference of a quarter."),
                Choice("Nothing: 298 is better", "It may be the other measure of a worse plan."),
            ),
            "a",
        ),
        Question(
            "A shortcut is added to a layer that is divided among four parts. Where should the shortcut's filters be?",
            (
                Choice(
                    "All in one part, since they are light",
                    "The maps that others add are not light.",
                ),
                Choice("Dealt evenly, in any order", "Map k is wanted by the owner of filter k."),
                Choice("Filter k where filter k of the layer is", "The addition finds both maps in one place."),
            ),
            "c",
        ),
    ),
)
