import type { Destination } from '../destination.js';
import { datadog } from './datadog.js';
import { elastic } from './elastic.js';
import { https } from './https.js';
import { kafka } from './kafka.js';
import { s3 } from './s3.js';
import { splunk } from './splunk.js';
import { sumoLogic } from './sumo-logic.js';

/** The destinations beside syslog. */
export const SENDERS: readonly Destination[] = [splunk, datadog, elastic, sumoLogic, https, kafka, s3];

export { type DatadogConfig, datadogSchema, datadogSender } from './datadog.js';
export { type ElasticConfig, elasticSchema, elasticSender } from './elastic.js';
export { type HttpsConfig, httpsSchema, httpsSender } from './https.js';
export { type KafkaDestinationConfig, kafkaSchema, kafkaSender } from './kafka.js';
export { S3_PROPERTIES, type S3Config, s3Schema, s3Sender } from './s3.js';
export { openS3, type S3Access } from './s3-client.js';
export { type SplunkConfig, splunkSchema, splunkSender } from './splunk.js';
export { type SumoLogicConfig, sumoLogicSchema, sumoLogicSender } from './sumo-logic.js';
export { WEBHOOK_SECRET, webhookHeaders, webhookId, webhookKey } from './webhook-signature.js';
