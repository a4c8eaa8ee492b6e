// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {MessageId, MessageKind} from "../MessageLib.sol";

/// @title Holds collateral of margin accounts on one chain
/// @notice Nobody owns it. Collateral leaves on a message that a quorum of guardians signed, once,
/// within the token's outflow limit; or to its owner when the guardians have been silent for the
/// exit delay.
interface ICollateralVault {
    /* ERRORS */

    /// @notice Margin account zero belongs to nobody.
    error CollateralVaultAccountZero();
    /// @notice Nothing to move.
    error CollateralVaultAmountZero(bytes32 account, address token);
    /// @notice The recipient is zero or the vault itself.
    error CollateralVaultRecipientInvalid(address recipient);
    /// @notice The token has no outflow capacity, so it is not accepted.
    error CollateralVaultTokenNotListed(address token);
    /// @notice One capacity for each token, please.
    error CollateralVaultListLengths(uint256 tokens, uint256 capacities);
    /// @notice The same token twice in the constructor.
    error CollateralVaultTokenTwice(address token);
    /// @notice The guardians have paused this direction.
    error CollateralVaultPaused(address token, uint256 flags);
    /// @notice Pause flags are 0 to 3.
    error CollateralVaultPauseFlagsInvalid(uint256 flags);
    /// @notice The account does not hold as much of the token here.
    error CollateralVaultInsufficient(
        bytes32 account, address token, uint256 amount, uint256 available
    );
    /// @notice More than the capacity can never leave at once.
    error CollateralVaultOutflowAboveCapacity(address token, uint256 amount, uint256 capacity);
    /// @notice The same amount may leave after exactly `waitSeconds` if nothing else does.
    error CollateralVaultOutflowLimited(
        address token, uint256 amount, uint256 available, uint256 waitSeconds
    );
    /// @notice The vault paid more than it owed: the token is not an ordinary one.
    error CollateralVaultOverpaid(address token, uint256 expectedBalance, uint256 balance);
    /// @notice A newer pause or parameter message on the same subject was executed.
    error CollateralVaultNonceOutdated(MessageKind kind, uint64 nonce, uint256 nonceMin);
    /// @notice No parameter has this key.
    error CollateralVaultParameterUnknown(bytes32 key);
    /// @notice The value is outside what the vault allows for this parameter.
    error CollateralVaultParameterOutOfRange(
        bytes32 key, uint256 value, uint256 valueMin, uint256 valueMax
    );
    /// @notice The guardians were heard too recently for owners to leave on their own.
    error CollateralVaultExitTooEarly(uint256 timestamp, uint256 allowedAfter);

    /* EVENTS */

    /// @notice Collateral arrived; `amount` is what really came. [token base units]
    event CollateralLocked(
        uint256 indexed lockId,
        bytes32 indexed account,
        address indexed token,
        address depositor,
        uint256 amount,
        uint256 heldAfter
    );
    /// @notice Collateral went where its owner asked. [token base units]
    event CollateralReleased(
        MessageId indexed messageId,
        bytes32 indexed account,
        address indexed token,
        address recipient,
        uint256 amount,
        uint256 heldAfter
    );
    /// @notice Collateral went to a liquidator. [token base units]
    event CollateralSeized(
        MessageId indexed messageId,
        bytes32 indexed account,
        address indexed token,
        address recipient,
        uint256 amount,
        uint256 heldAfter
    );
    /// @notice An owner left while the guardians were silent. [token base units]
    event CollateralExited(
        bytes32 indexed account,
        address indexed token,
        address owner,
        address recipient,
        uint256 amount,
        uint256 heldAfter
    );
    /// @notice Pause flags changed; token zero means every token. 1: outflow, 2: locks.
    event PauseChanged(MessageId indexed messageId, address indexed token, uint256 flags);
    /// @notice A token's outflow capacity changed; zero delists it: no locks, no payments, exits
    /// only. To let a token run out, pause its locks instead. [token base units]
    event OutflowCapacityChanged(
        MessageId indexed messageId, address indexed token, uint256 capacity
    );
    /// @notice A token's outflow window changed.
    event OutflowWindowChanged(
        MessageId indexed messageId, address indexed token, uint64 windowSeconds
    );
    /// @notice The exit delay changed.
    event ExitDelayChanged(MessageId indexed messageId, uint64 exitDelaySeconds);

    /* FUNCTIONS */

    /// @notice Lock collateral for a margin account; what really arrives is credited.
    /// @param account Margin account, not zero; anyone may lock for any account.
    /// @param token A listed token that the caller has approved.
    /// @param amount Base units to pull from the caller.
    /// @return lockId 1, 2, 3, ... without gaps.
    function lock(
        bytes32 account,
        address token,
        uint256 amount
    ) external returns (uint64 lockId);

    /// @notice Act on a release, seize, pause or parameter message.
    /// @param message Canonical bytes.
    /// @param guardianSetIndex Index of the set that signed; for pause and parameter messages it
    /// must be the current one.
    /// @param signatures 65-byte r | s | v, strictly ascending by signer.
    function execute(
        bytes calldata message,
        uint32 guardianSetIndex,
        bytes[] calldata signatures
    ) external;

    /// @notice Take out everything of a token, as owner of the account, while the guardians are
    /// silent.
    /// @param salt The salt the account was opened with; the opener is the caller.
    /// @param token The token to take.
    /// @param recipient Who gets it.
    function exit(
        bytes32 salt,
        address token,
        address recipient
    ) external;

    /* VIEWS */

    /// @notice Return the number of locks so far, which is the last lock id.
    function lockCount() external view returns (uint64);

    /// @notice Return what the vault owes of a token, over all accounts. [token base units]
    function held(
        address token
    ) external view returns (uint256);

    /// @notice Return what an account holds of a token here. [token base units]
    function collateralOf(
        bytes32 account,
        address token
    ) external view returns (uint256);

    /// @notice Return the margin account an owner opened with a salt.
    function accountOf(
        address owner,
        bytes32 salt
    ) external pure returns (bytes32);

    /// @notice Return for how long the guardians must be silent before owners may exit. [s]
    function exitDelay() external view returns (uint64);

    /// @notice Return what may leave of a token now. [token base units]
    function outflowAvailable(
        address token
    ) external view returns (uint256);

    /// @notice Return the most that may leave of a token in its window; zero if not listed.
    function outflowCapacity(
        address token
    ) external view returns (uint256);

    /// @notice Return the window of a token's outflow limit. [s]
    function outflowWindow(
        address token
    ) external view returns (uint64);

    /// @notice Return after how long an amount may leave; type(uint256).max if above the capacity.
    /// [s]
    function outflowWaitSeconds(
        address token,
        uint256 amount
    ) external view returns (uint256);

    /// @notice Return the pause flags that apply to a token, its own and the general ones.
    function pauseFlags(
        address token
    ) external view returns (uint256);
}
