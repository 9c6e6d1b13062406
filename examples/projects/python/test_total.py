import unittest

from total import total


class Total(unittest.TestCase):
    def test_adds(self):
        self.assertEqual(total(1, 2, 3), 6)

    def test_nothing_is_zero(self):
        self.assertEqual(total(), 0)
