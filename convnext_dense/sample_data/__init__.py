"""Sample data set, drawn procedurally, so that any config can be trained without a data set.

A *scene* is a landscape with things in it, for detection and segmentation; a *portrait* shows one thing, for
classification. :mod:`.things` draws the classes and :mod:`.landscape` the background with a :class:`.pen.Pen` onto a
:class:`.page.Page`; :mod:`.scene` composes them, :mod:`.writer` writes them as files, :mod:`.create` as a data set.
:mod:`.aerial` has large scenes seen from above.

Imports nothing, so that commands find the names of the data sets in :mod:`.names` at once.
"""
