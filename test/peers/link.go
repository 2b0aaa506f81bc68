package peers

// The two ends of a Link have addresses of the range that RFC 2544 has set aside for benchmarks. Certificates name the first one too.
const linkHere, linkThere = "198.18.0.1", "198.18.0.2"
