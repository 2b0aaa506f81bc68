package http1

// Fault is what is wrong with a message: the status a client is answered with when it sent it, and the reason in the words of
// logs and metrics. A server that sent it gets its client a 502.
type Fault struct {
	Status int
	Reason string
}

func (f *Fault) Error() string { return f.Reason }

// One row per fault.
var (
	FaultRequestLine   = &Fault{400, "bad_request_line"}
	FaultMethod        = &Fault{400, "bad_method"}
	FaultTrace         = &Fault{405, "trace_not_allowed"}
	FaultTarget        = &Fault{400, "bad_target"}
	FaultTargetLength  = &Fault{414, "target_too_long"}
	FaultPath          = &Fault{400, "bad_path"}
	FaultPathRefused   = &Fault{400, "path_refused"}
	FaultPathAmbiguous = &Fault{400, "ambiguous_path"}
	FaultVersion       = &Fault{505, "version_not_supported"}
	FaultStatusLine    = &Fault{502, "bad_status_line"}
	FaultInterims      = &Fault{502, "too_many_interim_responses"}
	FaultLineEnd       = &Fault{400, "bare_cr_or_lf"}
	FaultFold          = &Fault{400, "folded_line"}
	FaultFieldName     = &Fault{400, "bad_field_name"}
	FaultFieldValue    = &Fault{400, "bad_field_value"}
	FaultFieldCount    = &Fault{431, "too_many_fields"}
	FaultHeadSize      = &Fault{431, "head_too_large"}
	FaultHost          = &Fault{400, "bad_host"}
	FaultHostMissing   = &Fault{400, "host_missing"}
	FaultHostTwice     = &Fault{400, "host_twice"}
	FaultHostDiffers   = &Fault{400, "host_differs_from_target"}
	FaultLength        = &Fault{400, "bad_content_length"}
	FaultLengthTwice   = &Fault{400, "content_length_twice"}
	FaultLengthAndTE   = &Fault{400, "length_and_transfer_encoding"}
	FaultTE            = &Fault{400, "bad_transfer_encoding"}
	FaultTEUnknown     = &Fault{501, "transfer_encoding_not_supported"}
	FaultTEVersion     = &Fault{400, "transfer_encoding_in_http10"}
	FaultConnection    = &Fault{400, "bad_connection_field"}
	FaultExpect        = &Fault{417, "expectation_unknown"}
	FaultAlias         = &Fault{400, "alias_of_managed_field"}
	FaultUpgradeBody   = &Fault{400, "upgrade_with_body"}
	FaultChunkSize     = &Fault{400, "bad_chunk_size"}
	FaultChunkExt      = &Fault{400, "bad_chunk_extension"}
	FaultChunkEnd      = &Fault{400, "bad_chunk_end"}
	FaultTrailer       = &Fault{400, "bad_trailer"}
	FaultBase64        = &Fault{400, "bad_base64"}
	FaultBodyTooLarge  = &Fault{413, "body_too_large"}
	FaultConnectMethod = &Fault{405, "connect_not_allowed"}
)
