"""Assessments as jobs: kept in a folder, done by a process of their own, followed over HTTP.

A job's way::

    routes/attack -> service -> submit      what is asked for, checked
                             -> store       the database, and a folder for each job
                             -> supervisor  starts the worker
    worker -> store, run                    the assessment, step by step
           -> http_target -> /predict       the target, asked as anybody would ask it

The worker is the only one that needs torch, and there is one for each folder, however many
processes serve.
"""
