"""Large scenes seen from above, with many small things on large regions, as RGB and as six bands.

:mod:`.land` draws the regions from the fields of :mod:`.noise`, :mod:`.things` the classes of things, :mod:`.scene`
puts them together, :mod:`.bands` makes the six bands of a scene, :mod:`.writer` writes it as files, and :mod:`.create`
writes all of them as a data set.
"""
