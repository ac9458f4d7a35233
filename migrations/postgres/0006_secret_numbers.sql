-- Rows of secrets say from now on which of a client's secrets is which in their order. Rows are folded again
-- by the next server that starts; until then their version says that they are old ones.
--
-- Nothing else changes: the step exists so that an older binary, which folds without it, writes no more.
UPDATE read_models SET fold_version = 2 WHERE fold_version > 2;
