"""The recurrent network for digits given as pen strokes.

================  ==================  ==========================================  ============
layer             output of a step    noise point                                 normals
================  ==================  ==========================================  ============
four gates        4 x units           ``gates``, fresh at each of T steps, then   T x 4 x units
                                      sigmoid (tanh for the candidate)
fc, after step T  10                  ``fc``                                      10
================  ==================  ==========================================  ============

The four matrix-vector products of a step, ``W x + U h + b``, lie side by side in the order input,
forget, output gate, candidate, and meet one noise point. The state is read after step T, behind
the zeros that fill up a short drawing.

Source: Qin & Vucinic, arXiv 1811.10649, Figure 1 and section 3. The number of steps and units are
lost from the public copies of the paper; 48 and 128 are this project's choice.
"""

import torch
from torch import Tensor, nn

from noisevote.models.inputs.strokes import FEATURES, STEPS
from noisevote.models.networks.noise_points import NoisePoint
from noisevote.models.noise import NoiseKind

CLASSES = 10
FORGET_BIAS = 1.0


class StrokeLstm(nn.Module):
    """Maps sequences ``[batch, T, features]`` to outputs ``[batch, 10]``.

    Args:
        kind: kind of the noise; the network is the same for both.
        units: size of the hidden state.
        steps: T, the number of pen points.
    """

    def __init__(
        self,
        kind: NoiseKind = NoiseKind.MULTIPLICATIVE,  # noqa: ARG002 - all networks are built alike
        units: int = 128,
        steps: int = STEPS,
    ) -> None:
        super().__init__()
        self.units = units
        self.steps = steps
        # Stored as inputs x outputs: the exported graph multiplies by them as they are.
        self.input_weight = nn.Parameter(torch.empty(FEATURES, 4 * units))
        self.state_weight = nn.Parameter(torch.empty(units, 4 * units))
        self.bias = nn.Parameter(torch.zeros(4 * units))
        nn.init.xavier_uniform_(self.input_weight)
        for gate in torch.split(self.state_weight.data, units, dim=1):
            nn.init.orthogonal_(gate)
        self.bias.data[units : 2 * units] = FORGET_BIAS
        macs = steps * (FEATURES + units) * 4 * units
        self.gates = NoisePoint("gates", (steps, 4 * units), macs, latency=steps)
        self.fc = nn.Linear(units, CLASSES)
        self.noise = NoisePoint("fc", (CLASSES,), units * CLASSES)

    def forward(self, sequences: Tensor) -> Tensor:
        """Map ``sequences`` ``[batch, T, features]`` to outputs ``[batch, 10]``."""
        products = sequences @ self.input_weight + self.bias
        hidden = cell = None
        for step, signal in enumerate(products.unbind(1)):
            if hidden is not None:
                signal = torch.addmm(signal, hidden, self.state_weight)
            signal = self.gates(signal, step)
            gates, candidate = torch.split(signal, [3 * self.units, self.units], dim=1)
            enter, keep, leave = torch.chunk(torch.sigmoid(gates), 3, dim=1)
            candidate = torch.tanh(candidate)
            cell = enter * candidate if cell is None else keep * cell + enter * candidate
            hidden = leave * torch.tanh(cell)
        outputs: Tensor = self.noise(self.fc(hidden))
        return outputs
