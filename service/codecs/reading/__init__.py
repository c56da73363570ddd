"""A picture of any size → the digits on it, 28×28 each, as MNIST shows digits: what `fit=auto` does.

sheet     the sheet that is written on, where the picture shows more than it
plane     colours → one grey in which ink and paper differ most
contrast  that → how much ink there is, by the paper beside it
lines     → without the lines of ruled and squared paper
pieces    → its connected parts
digits    → those that make a digit, without frames, specks and what the picture's edge cuts
strokes   → as thick as MNIST's
read      all of these in turn; the only entrance

Arrays in, arrays out. docs/images.md shows each step and what it gives.
"""
