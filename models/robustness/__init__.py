"""How well a noisy, voting network resists an attacker who cannot see its weights.

An assessment, downward::

    assessment   its steps in order, each kept when finished
    attacks/     a file and a row for each attack: its steps, what it may see, its texts
    sweeps, checks, probes   the same for each sweep and each sanity check
    aim, target_class, targeting   which answers the attacker wants, and of which samples
    run          what steps share: who is assessed, the keys of steps, how one is done
    findings     the report of what is done: scores, worst case, threat model, verdict
    page         the report for readers

Attacks are arrays in, arrays out; only ``surrogate.py`` knows torch, nothing knows HTTP. The
target is asked through :class:`noisevote.models.robustness.target.Target`, as an outsider asks it.
"""
