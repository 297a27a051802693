"""Networks learn on the chips of an analog device."""
