-- What was signed for a piece of evidence, so that it can be given again whatever key signs by then. Evidence from before has none.
alter table evidence add column receipt text;
