"""A genotype: one architecture of a space, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nascli.core.fault import Fault


@dataclass(frozen=True, slots=True)
class Genotype:
    """One option per decision of a space, in the space's own order.

    Genotypes of one space share their `decisions` tuple, so that a million of them stay small.
    """

    space: str
    decisions: tuple[str, ...]
    options: tuple[str, ...]

    @classmethod
    def of(cls, space: str, choices: Mapping[str, str]) -> Genotype:
        """The genotype of `space` that takes `choices[decision]` at every decision."""
        return cls(space, tuple(choices), tuple(choices.values()))

    @property
    def choices(self) -> dict[str, str]:
        """Decision -> chosen option."""
        return dict(zip(self.decisions, self.options, strict=True))

    def __hash__(self) -> int:  # several times a trial; the other fields tell few genotypes apart
        return hash(self.options)

    def __getitem__(self, decision: str) -> str:
        return self.options[self.decisions.index(decision)]

    def __str__(self) -> str:
        pairs = zip(self.decisions, self.options, strict=True)
        return f"{self.space}(" + ", ".join(f"{d}={o}" for d, o in pairs) + ")"

    def to_json(self) -> dict[str, object]:
        """A JSON object; `from_json` reads it back."""
        return {"space": self.space, "choices": self.choices}

    @classmethod
    def from_json(cls, data: object) -> Genotype:
        """Reads what `to_json` wrote.

        Raises:
            Fault: `data` is not such an object (it may come from anyone).
        """
        if not isinstance(data, Mapping):
            raise Fault(f"a genotype is a JSON object with 'space' and 'choices', not {data!r:.80}")
        space, choices = data.get("space"), data.get("choices")
        if not isinstance(space, str) or not isinstance(choices, Mapping) or not choices:
            keys = ", ".join(map(str, data)) or "nothing"
            raise Fault(f"a genotype needs 'space' (a name) and 'choices' (an object); got {keys}")
        wrong = [
            f"'{decision}' has {option!r:.80}"
            for decision, option in choices.items()
            if not isinstance(decision, str) or not isinstance(option, str)
        ]
        if wrong:
            raise Fault(f"a genotype's choices are strings; {', '.join(wrong)}")
        return cls.of(space, choices)
