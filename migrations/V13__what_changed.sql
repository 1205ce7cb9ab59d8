-- What changed in an organisation since a reader looked: sessions themselves, and the changes of their documents.

-- The transaction that last changed the row as clients see it. A trigger keeps it, so that no statement can forget it, those of
-- an earlier release included.
alter table test_sessions add column changed_xid xid8 not null default pg_current_xact_id();

create function note_session_change() returns trigger language plpgsql as $$
begin
    new.changed_xid := pg_current_xact_id();
    return new;
end $$;

create trigger test_sessions_note_change
    before update of name, status, technician_id, updated_at on test_sessions
    for each row execute function note_session_change();

create index idx_test_sessions_changed_xid on test_sessions (organisation_id, changed_xid);
create index idx_session_changes_feed on session_changes (organisation_id, xid, session_id);
create index idx_late_changes_xid on late_changes (organisation_id, xid);
