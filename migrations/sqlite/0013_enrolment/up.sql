-- Whether a patient said no to e-mail, or took their yes back: a copy of what stands in the profile, asked when a mail is sent.
ALTER TABLE patients ADD COLUMN mail_declined INTEGER NOT NULL DEFAULT 0 CHECK (mail_declined IN (0, 1));
