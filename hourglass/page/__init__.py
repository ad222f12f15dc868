"""The page of a group: what its models reached, as one HTML file that needs nothing else.

Charts are drawn as SVG by the page's own script, not by Vega-Lite: 0.9 MB of script lighter, and what a library would
make difficult is plain: a Content-Security-Policy without `unsafe-eval`, points that the arrow keys reach, the image of
a point beside it, and colors that follow the page from light to dark without another drawing.
"""
