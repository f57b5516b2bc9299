"""Sums in inner loops begin anew: one addition waits for the one before it, but not for those of the loop before.

A convolution adds up three taps in its innermost loop, then the next three. With a variable for each three a processor
works on several of them at a time; without, every product waits for the sum of all earlier ones, four cycles each.
"""

import ast

from labkit.kernels.executors.uniform import Renamed, loaded, nested, stored

_LOOPS = (ast.For, ast.While)


def with_inner_sums(body: list[ast.stmt]) -> list[ast.stmt]:
    """`body` in which `total += x` of an innermost loop adds to a new variable, and that one to `total` afterwards."""
    return [made for statement in body for made in _as_list(_InnerSums().visit(statement))]


class _InnerSums(ast.NodeTransformer):
    def visit_For(self, node: ast.For) -> ast.For | list[ast.stmt]:
        self.generic_visit(node)
        if any(isinstance(statement, (*_LOOPS, ast.Return)) for statement in nested(node.body)):
            return node
        added = [s.target.id for s in nested(node.body) if _adds(s)]
        names = [name for name in dict.fromkeys(added) if stored(node).count(name) == added.count(name)]
        own = {name: f"_sum_{name}" for name in names if name not in loaded(node)}
        begun = [_parsed(f"{sum_} = zero_like({name})") for name, sum_ in own.items()]
        return [*begun, Renamed(own).visit(node), *(_parsed(f"{name} += {sum_}") for name, sum_ in own.items())]


def _adds(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.AugAssign)
        and isinstance(statement.op, ast.Add)
        and isinstance(statement.target, ast.Name)
    )


def _parsed(text: str) -> ast.stmt:
    return ast.parse(text).body[0]


def _as_list(made: ast.stmt | list[ast.stmt]) -> list[ast.stmt]:
    return made if isinstance(made, list) else [made]
