-- What the members of an organisation see of a user; the full name stays its owner's.
alter table users add column if not exists display_name_encrypted bytea;
