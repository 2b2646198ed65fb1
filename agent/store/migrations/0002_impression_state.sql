-- What a choice depended on beyond the request and the constraints, so that another policy can be asked the same.
-- Both are JSON, and NULL in rows written before.
ALTER TABLE impression ADD COLUMN state TEXT; -- history, examples, goal, items left out because just shown
ALTER TABLE impression ADD COLUMN candidate_propensities TEXT; -- parallel to the candidates; NULL where nothing was drawn
