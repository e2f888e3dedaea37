-- The log never forgets: its own down migration removes the seed together with everything else.
SELECT 1;
