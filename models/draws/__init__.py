"""The keyed draws of the noise: what a seed, a position and a vote give, by a scheme with a name.

``schemes`` lists the schemes, ``tensors`` fills the noise tensors of a pass by one of them.
"""
