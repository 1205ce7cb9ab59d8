-- Resumable uploads as the official clients of tus speak it, and the names of files.

-- Until its client says how long the file is, an upload has no length.
alter table evidence_uploads alter column length_bytes drop not null;
alter table evidence_uploads
    -- Upload-Metadata and Upload-Concat as they were sent, to be given back so.
    add column if not exists metadata text,
    add column if not exists concatenation text;

-- Complete means that the evidence exists, but for a part of a file that is put together later.
alter table evidence_uploads
    drop constraint if exists evidence_uploads_check1,
    drop constraint if exists evidence_uploads_complete;
alter table evidence_uploads add constraint evidence_uploads_complete check (
    coalesce((answer is not null) = (offset_bytes = length_bytes), answer is null)
    or (answer is null and concatenation = 'partial')
);

-- What the device calls the file, where a form says it.
alter table evidence add column if not exists file_name text check (char_length(file_name) between 1 and 512);
