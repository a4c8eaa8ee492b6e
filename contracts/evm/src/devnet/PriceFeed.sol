// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

/// @title Price feed of a devnet, in the shape of a Chainlink aggregator
contract PriceFeed {
    /* TYPES */

    struct Round {
        int256 answer; // x 10^decimals
        uint256 updatedAt; // [unix s]
    }

    /* STORAGE */

    uint256 public constant version = 4;
    uint8 public immutable decimals;
    address public immutable owner;
    string public description;
    uint80 public latestRound;
    mapping(uint80 roundId => Round) private _rounds;

    /* ERRORS */

    /// @notice Only the owner writes prices.
    error PriceFeedNotOwner(address caller, address owner);
    /// @notice No such round.
    error PriceFeedNoRound(uint80 roundId, uint80 latestRound);

    /* EVENTS */

    /// @notice A new round, as aggregators announce it.
    event AnswerUpdated(int256 indexed current, uint256 indexed roundId, uint256 updatedAt);

    /* CONSTRUCTOR */

    /// @param decimals_ Digits behind the point of an answer.
    /// @param description_ For example "ETH / USD".
    /// @param answer First answer, x 10^decimals.
    constructor(
        uint8 decimals_,
        string memory description_,
        int256 answer
    ) {
        decimals = decimals_;
        description = description_;
        owner = msg.sender;
        _write(answer, block.timestamp);
    }

    /* EXTERNAL */

    /// @notice Start a round that was updated now.
    function update(
        int256 answer
    ) external {
        updateWithTime(answer, block.timestamp);
    }

    /// @notice Start a round with any update time, to rehearse stale prices.
    function updateWithTime(
        int256 answer,
        uint256 updatedAt
    ) public {
        require(msg.sender == owner, PriceFeedNotOwner(msg.sender, owner));
        _write(answer, updatedAt);
    }

    /* INTERNAL */

    function _write(
        int256 answer,
        uint256 updatedAt
    ) private {
        latestRound++;
        _rounds[latestRound] = Round({answer: answer, updatedAt: updatedAt});
        emit AnswerUpdated(answer, latestRound, updatedAt);
    }

    /* VIEWS */

    /// @notice Return the newest round.
    function latestRoundData()
        external
        view
        returns (
            uint80 roundId,
            int256 answer,
            uint256 startedAt,
            uint256 updatedAt,
            uint80 answeredInRound
        )
    {
        return getRoundData(latestRound);
    }

    /// @notice Return one round.
    function getRoundData(
        uint80 roundId
    ) public view returns (uint80, int256 answer, uint256 startedAt, uint256 updatedAt, uint80) {
        require(roundId != 0 && roundId <= latestRound, PriceFeedNoRound(roundId, latestRound));
        Round storage round = _rounds[roundId];
        return (roundId, round.answer, round.updatedAt, round.updatedAt, roundId);
    }
}
