export { REVIEW_COLUMNS, reviewCsv } from './csv.js';
export { gatherAccount, isNothing, shippedDocuments } from './gather.js';
export { reviewOf } from './review.js';
export { type AccountEntities, FINDING_CODES, type Finding, type FindingCode, type Grant, type GrantKind, type Review } from './types.js';
