"""How well a noisy, voting network resists an attacker who cannot see its weights.

Attacks are arrays in, arrays out; only ``surrogate.py`` knows torch, nothing knows HTTP. The
target is asked through :class:`models.robustness.target.Target`, as an outsider asks it.
"""
