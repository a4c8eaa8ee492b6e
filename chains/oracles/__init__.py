"""On-chain price sources, raw and unjudged."""
