-- Names and addresses that people take for the same are the same: what they have in common (NFC, single blanks, case fold) is kept
-- beside them. The keys are worked out by the program, after the migration and at each start, because PostgreSQL need not be able to:
-- rows that collide stay as they are, and one of them holds the key against new ones.

alter table users add column email_key text;
alter table users add column is_email_key_shared boolean not null default false;
create unique index idx_users_email_key on users (email_key) where joined_at is not null;
create unique index idx_users_organisation_email_key on users (organisation_id, email_key);
create index idx_users_without_email_key on users (id) where email_key is null and not is_email_key_shared;

alter table buildings add column look_alike_key bytea check (octet_length(look_alike_key) = 32);
create unique index idx_buildings_look_alike_key on buildings (organisation_id, look_alike_key);
create index idx_buildings_without_look_alike_key on buildings (id) where look_alike_key is null;
-- It knew no case but that of ASCII, and had no room for the longest names. A release before this one goes on without it.
drop index idx_buildings_name_and_address;
