"""Pictures of arrays.

A module with `draw(model: Evaluated) -> Figure | None` is a figure: `plot` draws it for every model that it applies to,
as plots/<model>/<module>.png.
"""
