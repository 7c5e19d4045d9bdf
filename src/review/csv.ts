import { csvLine } from '../export/index.js';
import type { Grant, Review } from './types.js';

/** The columns, in order. Fixed: what is added comes at the end. */
export const REVIEW_COLUMNS = [
  'account',
  'reviewed',
  'used_since',
  'holder',
  'name',
  'kind',
  'what',
  'via',
  'since',
  'ends',
  'last_used',
  'findings',
  'explanations',
] as const;

const cellsOf = ({ account, reviewed, used_since }: Review, grant: Grant) => [
  account,
  reviewed,
  used_since,
  grant.holder ?? '',
  grant.name ?? '',
  grant.kind,
  grant.what,
  grant.via,
  grant.since ?? '',
  grant.ends ?? '',
  grant.last_used ?? '',
  grant.findings.map(({ code }) => code).join(' '),
  grant.findings.map(({ message }) => message).join(' '),
];

/** A review as RFC 4180 has it, a row for each grant, with what a spreadsheet would take for a formula made text. */
export const reviewCsv = (review: Review): string => [REVIEW_COLUMNS, ...review.grants.map((grant) => cellsOf(review, grant))].map(csvLine).join('');
