-- What lists and acts of defects ask for besides. Can be run again.

alter table organisations add column if not exists allow_own_verification boolean not null default false;

-- Without statistics all indexes of present versions seem as good. That of the whole list has a condition that holds of each version, and
-- only lists that no other index narrows mention it.
drop index if exists idx_defect_versions_opened_at;
create index if not exists idx_defect_versions_whole on defect_versions (organisation_id, opened_at desc, defect_id desc)
    where known_to is null and observations >= 0;
-- Lists of what was known at a moment are not of present versions alone.
create index if not exists idx_defect_versions_known on defect_versions (organisation_id, opened_at desc, defect_id desc)
    where known_from is not null;
create index if not exists idx_defect_versions_external_id on defect_versions (organisation_id, external_id)
    where known_to is null and external_id is not null;
create index if not exists idx_defects_from_history on defects (organisation_id, id) where from_history;

-- As in V31: whatever statistics say of small tables, the index on all of the columns that are asked for is the better one.
alter table defects alter column organisation_id set (n_distinct = 10);
alter table defect_versions alter column organisation_id set (n_distinct = 10);
-- A defect that had most of the rows when they were looked at does not go on to.
alter table defect_versions alter column defect_id set statistics 0;
alter table defect_acts alter column organisation_id set (n_distinct = 10);
alter table item_observations alter column organisation_id set (n_distinct = 10);
alter table item_passes alter column organisation_id set (n_distinct = 10);
alter table session_reviews alter column organisation_id set (n_distinct = 10);
