"""What measurements have in common: a plan, whose fields are the options of a command."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=1)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Plan(BaseModel):
    """Base of what is measured; the meaning of a field stands under it."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
