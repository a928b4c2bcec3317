"""The contract of an analyzer over vLLM: the suite of tests/analyzers with the engine of conftest.py."""

from tests.analyzers.test_analyzers import (  # noqa: F401
    test_a_broken_frame_costs_its_segment_at_most,
    test_every_segment_of_mixed_videos_comes_back_once,
    test_it_says_what_it_is,
    test_it_works_again_after_an_end_between_two_results,
    test_nothing_is_made_of_nothing,
    test_sound_or_picture_may_be_missing,
)
