-- What an operator has to see of the record and of evidence, kept as it comes: nobody counts a database with years in it.

set local firemode.purpose = 'operator';

-- How much evidence is stored: a total, and what has come and gone since it was added up. One row that each upload changes would make
-- them wait for each other.
create table if not exists evidence_totals (
    only_row boolean primary key default true check (only_row),
    files bigint not null,
    bytes bigint not null
);
create table if not exists evidence_growth (
    files bigint not null,
    bytes bigint not null
);

create or replace function note_evidence_growth() returns trigger language plpgsql as $$
declare
    sign constant integer := case tg_op when 'INSERT' then 1 else -1 end;
begin
    insert into evidence_growth (files, bytes)
        select sign * count(*), sign * sum(size_bytes) from changed having count(*) > 0;
    return null;
end $$;

create or replace trigger evidence_blobs_note_added after insert on evidence_blobs
    referencing new table as changed for each statement execute function note_evidence_growth();
create or replace trigger evidence_blobs_note_removed after delete on evidence_blobs
    referencing old table as changed for each statement execute function note_evidence_growth();

-- The triggers keep writers away until the total is there.
insert into evidence_totals (files, bytes)
    select count(*), coalesce(sum(size_bytes), 0) from evidence_blobs
    having not exists (select from evidence_totals);

-- Of a session with changes that are not merged, how many there are; null: not counted yet.
alter table session_clocks
    add column if not exists held integer,
    add column if not exists quarantined integer;
create index if not exists idx_session_clocks_unmerged on session_clocks (session_id) where has_unmerged;

create index if not exists idx_late_changes_undecided on late_changes (session_id) where state = 'late';
drop policy if exists work on late_changes;
create policy work on late_changes for select using ((select firemode_purpose()) = 'work');
