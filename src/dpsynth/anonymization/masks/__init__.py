"""Masks: how the cells of one column are hidden, distinct values once, whole arrays at a time.

``building.build_mask`` makes one from the key ``mask`` of a field. Every mask maps a row to a row and looks at no other
row; none of them is a protection in the sense of differential privacy.
"""
