//! Who may pass: keys, plans, grants, rate, quota, credits, over store traits.
