-- What is open in a clinic, by when it was due: the worklist, oldest first, page by page.
CREATE INDEX duties_open_of_clinic ON duties (clinic_id, due_at, id) WHERE state = 'open';
