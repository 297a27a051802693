"""Assessments as jobs: kept in a folder, done by a process of their own, watched over HTTP.

::

    routes/attack -> desk -> store (SQLite)  <- worker -> /predict
                          -> supervisor ------> worker

The worker is the only one that needs torch, and there is one for each folder, however many
processes serve. It attacks the target by asking the server as anybody would.
"""
