"""Pages with one digit on them, of many kinds, drawn by code; each kind can be blank, too.

The reading of pictures was developed on the kinds in ``SEEN``; those in ``FRESH`` were drawn when
it was done. Sizes, places, levels and tilts come from a generator.
"""

from tests.pages import fresh, lined, pens, scenes
from tests.pages.paper import Kind

SEEN: tuple[Kind, ...] = (
    lined.frame_at_the_edge, lined.drawn_box, lined.double_frame, lined.box_drawn_by_hand,
    lined.form_with_a_row_of_boxes, lined.ruled_paper, lined.ruled_paper_with_a_margin,
    lined.squared_paper, lined.squares_as_dark_as_the_pen, lined.squared_paper_turned,
    lined.dotted_paper, lined.punched_holes, lined.spiral_holes,
    scenes.dark_desk, scenes.wooden_desk, scenes.turned_sheet_on_a_desk, scenes.sticky_note,
    scenes.soft_shadow, scenes.hard_shadow, scenes.vignette, scenes.photo_under_a_lamp,
    scenes.screenshot, scenes.dark_screenshot_of_a_phone, scenes.ink_on_transparency,
    scenes.white_card_on_transparency, scenes.round_card_with_a_shadow_on_transparency,
    scenes.turned_scan_with_black_corners, fresh.instant_photo, scenes.chalk_on_a_framed_board,
    pens.plain, pens.tight_crop, pens.light_tight_crop, pens.tiny_digit,
    pens.tiny_digit_in_a_frame, pens.strong_jpeg, pens.inverted, pens.coloured_pen,
    pens.pen_as_light_as_the_paper, pens.felt_pen, pens.hard_pencil, pens.paper_with_grain,
)  # fmt: skip
FRESH: tuple[Kind, ...] = (
    fresh.circled, fresh.ruled_sheet_on_a_wooden_desk,
    fresh.letter_with_a_heading, fresh.thumb_over_a_corner, fresh.creased_paper, fresh.fax,
    fresh.reflection_on_a_whiteboard, fresh.sheet_on_a_light_table, fresh.postage_stamp,
)  # fmt: skip


def name_of(kind: Kind) -> str:
    """Return the name of a kind in words."""
    return getattr(kind, "__name__", "page").replace("_", " ")
