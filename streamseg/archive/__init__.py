"""Archives: any number of films, each a run of its own, by several processes or machines, into one folder.

`task` says what is asked of every film, `worker` does one, `folder` keeps what came of it, `processes`
and `cluster` are where workers live, and `summary` has the tables of all.
"""
