"""The base of all replies."""

from pydantic import BaseModel, ConfigDict


class Reply(BaseModel):
    """Base of replies; what stands under a field is its description."""

    model_config = ConfigDict(use_attribute_docstrings=True)
